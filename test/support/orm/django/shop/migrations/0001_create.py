from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("age", models.IntegerField(null=True)),
                ("email", models.CharField(max_length=100, null=True, unique=True)),
            ],
            options={"db_table": "customers"},
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("customer", models.ForeignKey(null=True, on_delete=models.CASCADE, to="shop.customer")),
                ("total", models.DecimalField(decimal_places=2, max_digits=10, null=True)),
            ],
            options={"db_table": "orders"},
        ),
    ]
